import { type Command, type CommandCall, DATABASE_OPTIONS, EXIT } from './command.js';
import type { SigraServices } from './sigra.application.js';
import { UsageError } from './usage-error.js';

/** Ends all credentials of an owner. */
export const ownerCommands: readonly Command[] = [
  {
    name: 'owner lock-out',
    summary:
      'Revokes every credential of an owner: API tokens, JWTs and refresh tokens. In force for the next request.',
    operand: 'OWNER_ID',
    options: DATABASE_OPTIONS,
    run: (call) =>
      end(call, 'Locked out', ({ credentials, ownerOf, caller }) =>
        credentials.lockOut(ownerOf(call.args.operand), caller),
      ),
  },
  {
    name: 'owner forget',
    summary: 'Deletes every credential of an owner that your application deletes.',
    operand: 'OWNER_ID',
    options: {
      ...DATABASE_OPTIONS,
      'anonymize-audit': { description: 'also removes the owner from the audit rows' },
      yes: { description: 'confirms it: it cannot be undone' },
    },
    run: (call) => {
      const { args } = call;
      if (!args.has('yes')) throw new UsageError('Add --yes: credentials that are deleted cannot be restored.');
      const options = { anonymizeAudit: args.has('anonymize-audit') };
      return end(call, 'Forgot', ({ credentials, ownerOf, caller }) =>
        credentials.forget(ownerOf(args.operand), options, caller),
      );
    },
  },
];

function isNotFound(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'not_found';
}

async function end(
  call: CommandCall,
  done: string,
  work: (sigra: SigraServices) => Promise<void>,
): Promise<typeof EXIT.ok> {
  const { withSigra } = await import('./sigra.application.js');
  await withSigra(call, {}, async (sigra) => {
    const { ownerType: type, ownerTypes } = sigra;
    try {
      await work(sigra);
    } catch (error) {
      const others = ownerTypes.filter((each) => each !== type);
      if (isNotFound(error) && others.length > 0 && !call.output.isJson) {
        call.output.note(`Looked for the type ${type}. For other owners: --owner-type ${others.join(' or ')}`);
      }
      throw error;
    }
    const { operand: id } = call.args;
    await call.output.result({ owner: { type, id } }, () => `${done}: ${type} ${id}`);
  });
  return EXIT.ok;
}
