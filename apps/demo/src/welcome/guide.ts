import { DEMO_PASSWORD, DEMO_USERS } from '../database/seed.js';
import type { HttpAdapterName } from '../environment.js';
import type { StartTokens } from './start-tokens.service.js';

export interface GuideFacts {
  readonly url: string;
  readonly httpAdapter: HttpAdapterName;
  readonly database: string;
  readonly tokens: StartTokens;
}

const ADAPTER_NAMES = { express: 'Express', fastify: 'Fastify' };

/** The text that a start prints: addresses, accounts, and commands to paste into another terminal. */
export function guide({ url, httpAdapter, database, tokens }: GuideFacts): string {
  const steps = stepsFor(url, tokens).map(({ title, command }, index) => `  ${index + 1}. ${title}\n     ${command}\n`);
  return `
Sigra demo is running at ${url}
on ${ADAPTER_NAMES[httpAdapter]}, with ${database}

In a browser
  Sign in    ${url}/login
${DEMO_USERS.map((user) => `             ${user.email.padEnd(17)}  password ${DEMO_PASSWORD}${user.isAdmin ? '  (administrator)' : ''}`).join('\n')}
  API docs   ${url}/docs

In another terminal
  This API token belongs to Ada. It works for 30 days, or until the demo starts again:

     ${tokens.demo}

  Paste any of these commands to see its answer:

${steps.join('\n')}
Ctrl-C stops everything. The data stays for the next start.
`;
}

function stepsFor(
  url: string,
  { demo, spare, limited, organization }: StartTokens,
): { title: string; command: string }[] {
  return [
    { title: "Ada's projects: 200", command: curl(`${url}/api/projects`, demo) },
    {
      title: 'Statistics, which need the scope admin that this token lacks: 403',
      command: curl(`${url}/api/admin/stats`, demo),
    },
    { title: 'An invalid token: 401', command: curl(`${url}/api/projects`, withTypo(demo)) },
    {
      title: 'Create a token: 201, and rawToken is shown only once',
      command: curl(`${url}/api/tokens`, demo, { name: 'Made with curl', scopes: ['read:projects'] }),
    },
    {
      title: 'Revoke a spare token, which exists for this command: 204',
      command: curl(`${url}/api/tokens/${spare.id}`, demo, 'DELETE'),
    },
    {
      title: 'Use the revoked token: 401, from the very next request on',
      command: curl(`${url}/api/me`, spare.rawToken),
    },
    {
      title: 'Sign in as Ada, and get a JWT with a refresh token: 200',
      command: signInWithCurl(url),
    },
    {
      title: 'A token that is limited to one project reads it, and lists no other one: 200',
      command: curl(`${url}/api/projects`, limited.rawToken),
    },
    {
      title: 'The projects of an organization, with a token of its own: 200',
      command: curl(`${url}/api/projects`, organization),
    },
  ];
}

/** A command that prints the answer and then its status. */
function curl(url: string, token: string, request?: 'DELETE' | object): string {
  const body = typeof request === 'object' && ` -H 'Content-Type: application/json' -d '${JSON.stringify(request)}'`;
  const method = typeof request === 'string' && ` -X ${request}`;
  return `curl -sS -w '\\nHTTP %{http_code}\\n' ${url} -H 'Authorization: Bearer ${token}'${body || ''}${method || ''}`;
}

/** One curl command with two requests: it sends the cookie of the first with the second. */
function signInWithCurl(url: string): string {
  const json = (body: object) => `-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  const account = { email: DEMO_USERS[0].email, password: DEMO_PASSWORD };
  const grant = { scopes: ['read:projects', 'write:projects'] };
  const answer = String.raw`-w '\nHTTP %{http_code}\n'`;
  return `curl -sS -b '' ${url}/session ${json(account)} --next -sS -b '' ${answer} ${url}/api/jwt ${json(grant)}`;
}

/** The token with its last character changed. */
function withTypo(token: string): string {
  return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
}
