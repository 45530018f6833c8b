import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import type { ApiToken } from '../persistence/tables.js';
import type { OptionSpecs } from './arguments.js';
import { type Command, type CommandCall, DATABASE_OPTIONS, EXIT } from './command.js';
import type { SigraServices } from './sigra.application.js';
import { textFields, textTable } from './text-table.js';
import { TOKEN_COLUMNS, tokenJson } from './token.view.js';
import { UsageError } from './usage-error.js';

const EXPIRY_OPTIONS = {
  'expires-at': { description: 'the end of the token, such as 2030-01-31T12:00:00Z', value: 'TIME' },
  'expires-in': { description: 'the end of the token from now, such as 90d, 12h, 15m or 30s', value: 'DURATION' },
} satisfies OptionSpecs;
const MAKES_TOKENS = 'Prefix, lifetimes and scopes of a new token depend on the options of your application.';

/** Creates, lists, shows, revokes and rotates API tokens. */
export const tokenCommands: readonly Command[] = [
  {
    name: 'token create',
    summary: 'Creates an API token, and prints it on the standard output. It is shown only once.',
    details: 'Everything else goes to the standard error, so that the output can be piped into a secret store.',
    options: {
      ...DATABASE_OPTIONS,
      owner: { description: 'the id of the owner', value: 'ID' },
      name: { description: 'the name of the token', value: 'TEXT' },
      scope: { description: 'a scope; repeat it for several', value: 'SCOPE', multiple: true },
      kind: { description: 'a name of apiTokens.kinds', value: 'NAME' },
      description: { description: 'what the token is for', value: 'TEXT' },
      ...EXPIRY_OPTIONS,
      'never-expires': { description: 'no expiry, in place of apiTokens.defaultTtl' },
    },
    run: (call) =>
      using(call, { options: MAKES_TOKENS }, async ({ tokens, ownerOf, caller }) => {
        const { args } = call;
        const expiresAt = args.has('never-expires') ? null : expiryOf(call);
        const made = await tokens.create(
          ownerOf(args.required('owner')),
          {
            name: args.required('name'),
            scopes: [...(args.texts('scope') ?? [])],
            kind: args.text('kind'),
            description: args.text('description'),
            ...(expiresAt !== undefined && { expiresAt }),
          },
          caller,
        );
        await printMade(call, made);
      }),
  },
  {
    name: 'token list',
    summary: 'Lists API tokens of all users, or of all owners of --owner-type, newest first.',
    options: {
      ...DATABASE_OPTIONS,
      owner: { description: 'tokens of this owner', value: 'ID' },
      creator: { description: 'tokens that this user made for other owners', value: 'ID' },
      name: { description: 'a part of the name', value: 'TEXT' },
      hint: { description: 'the first four characters after the prefix, or an imported hint', value: 'TEXT' },
      prefix: {
        description: 'the prefix of the raw token, or a name of apiTokens.foreignFormats and a colon',
        value: 'TEXT',
      },
      kind: { description: 'a name of apiTokens.kinds', value: 'NAME' },
      scope: { description: 'a scope that the token grants; repeat it for several', value: 'SCOPE', multiple: true },
      state: { description: 'active, revoked or expired', value: 'STATE', choices: ['active', 'revoked', 'expired'] },
      'unused-since': { description: 'tokens that have not been used since', value: 'TIME' },
      'created-before': { description: 'tokens that are older', value: 'TIME' },
      'expires-before': { description: 'tokens that end before', value: 'TIME' },
      limit: { description: 'tokens per page (default: apiTokens.defaultPageSize)', value: 'COUNT' },
      cursor: { description: 'continues after the page that printed it', value: 'CURSOR' },
    },
    run: (call) =>
      using(call, {}, async ({ admin, ownerType, caller }) => {
        const { args, output } = call;
        const page = await admin.search(
          {
            ownerType,
            ownerId: args.text('owner'),
            creatorId: args.text('creator'),
            name: args.text('name'),
            hint: args.text('hint'),
            prefix: args.text('prefix'),
            kind: args.text('kind'),
            scopes: args.texts('scope'),
            state: args.text('state') as 'active' | 'revoked' | 'expired' | undefined,
            unusedSince: args.date('unused-since'),
            createdBefore: args.date('created-before'),
            expiresBefore: args.date('expires-before'),
            limit: args.integer('limit'),
            cursor: args.text('cursor'),
          },
          caller,
        );
        const { nextCursor } = page;
        await output.result({ tokens: page.tokens.map(tokenJson), nextCursor }, () =>
          textTable(page.tokens, TOKEN_COLUMNS),
        );
        if (nextCursor !== null && !output.isJson) output.note(`There are more: --cursor ${nextCursor}`);
      }),
  },
  {
    name: 'token show',
    summary: 'Shows an API token.',
    operand: 'TOKEN_ID',
    options: DATABASE_OPTIONS,
    run: (call) =>
      using(call, {}, async ({ admin, caller }) => {
        const shown = tokenJson(await admin.find(call.args.operand, caller));
        await call.output.result(shown, () => textFields(shown));
      }),
  },
  {
    name: 'token revoke',
    summary: 'Revokes an API token, and everything that was made with it. In force for the next request.',
    operand: 'TOKEN_ID',
    options: {
      ...DATABASE_OPTIONS,
      leaked: { description: 'also the tokens that it was rotated from or to, which a thief can have made' },
    },
    run: (call) =>
      using(call, {}, async ({ tokens, admin, caller }) => {
        const { args, output } = call;
        if (args.has('leaked')) await tokens.lockOut(args.operand, caller);
        else await tokens.revoke(args.operand, caller);
        const found = await admin.find(args.operand, caller);
        await output.result(tokenJson(found), () => revokedText(found.token, args.has('leaked')));
      }),
  },
  {
    name: 'token rotate',
    summary: 'Replaces an API token with a new one, and prints that on the standard output. It is shown only once.',
    operand: 'TOKEN_ID',
    options: {
      ...DATABASE_OPTIONS,
      grace: { description: 'how long the old token stays valid, such as 15m (default: 0s)', value: 'DURATION' },
      ...EXPIRY_OPTIONS,
    },
    run: (call) =>
      using(call, { options: MAKES_TOKENS }, async ({ tokens, caller }) => {
        const expiresAt = expiryOf(call);
        const request = { graceSeconds: call.args.seconds('grace'), ...(expiresAt && { expiresAt }) };
        await printMade(call, await tokens.rotate(call.args.operand, request, caller));
      }),
  },
];

/** What has ended, and what has not. */
function revokedText({ id, ownerType, ownerId }: ApiToken, isLeaked: boolean): string {
  const type = ownerType === DEFAULT_OWNER_TYPE ? '' : ` --owner-type ${ownerType}`;
  const ended = isLeaked ? 'the tokens that it was rotated from or to, and all that they made' : 'and all that it made';
  return `Revoked ${id}, ${ended}.\nOther credentials of ${ownerType} ${ownerId} are still valid: sigra owner lock-out ${ownerId}${type}`;
}

async function using(
  call: CommandCall,
  needs: { readonly options?: string },
  work: (sigra: SigraServices) => Promise<void>,
): Promise<typeof EXIT.ok> {
  const { withSigra } = await import('./sigra.application.js');
  await withSigra(call, needs, work);
  return EXIT.ok;
}

function expiryOf({ args }: CommandCall): Date | undefined {
  const [at, seconds] = [args.date('expires-at'), args.seconds('expires-in')];
  if (at && seconds !== undefined) throw new UsageError('Give either --expires-at or --expires-in.');
  return seconds === undefined ? at : new Date(Date.now() + seconds * 1000);
}

/** Prints a raw token, which exists only here: alone on the standard output, unless it is JSON. */
async function printMade({ output }: CommandCall, made: Made): Promise<void> {
  const { rawToken, token } = made;
  const json = { rawToken, token: tokenJson({ token, state: 'active' }) };
  await output.result(json, () => rawToken);
  if (output.isJson) return;
  const { id, ownerId, name, scopes, expiresAt } = token;
  output.note(textFields({ id, owner: ownerId, name, scopes, expires: expiresAt }));
}

type Made = Awaited<ReturnType<SigraServices['tokens']['create']>>;
