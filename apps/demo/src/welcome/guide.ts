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

/** What a start prints: where everything is, and lines to paste into another terminal. */
export function guide({ url, httpAdapter, database, tokens }: GuideFacts): string {
  const steps = stepsFor(url, tokens).map(({ says, command }, index) => `  ${index + 1}. ${says}\n     ${command}\n`);
  return `
Sigra demo is running at ${url}
on ${ADAPTER_NAMES[httpAdapter]}, with ${database}

In a browser
  Sign in    ${url}/login
${DEMO_USERS.map((user) => `             ${user.email.padEnd(17)}  password ${DEMO_PASSWORD}${user.isAdmin ? '  (administrator)' : ''}`).join('\n')}
  API docs   ${url}/docs

In another terminal
  This is an API token of Ada's. It works for 30 days, or until the next start makes a new one:

     ${tokens.demo}

  Paste any of these lines to see what comes back:

${steps.join('\n')}
Ctrl-C stops everything. The data stays for the next start.
`;
}

function stepsFor(url: string, { demo, spare }: StartTokens): { says: string; command: string }[] {
  return [
    { says: "Ada's projects: 200", command: curl(`${url}/api/projects`, demo) },
    {
      says: 'Statistics, which take the scope admin that this token lacks: 403',
      command: curl(`${url}/api/admin/stats`, demo),
    },
    { says: 'A wrong token: 401', command: curl(`${url}/api/projects`, withTypo(demo)) },
    {
      says: 'Create a token: 201, and rawToken is shown this once',
      command: curl(`${url}/api/tokens`, demo, { name: 'Made with curl', scopes: ['read:projects'] }),
    },
    {
      says: 'Revoke a token, a spare one that was made for this line: 204',
      command: curl(`${url}/api/tokens/${spare.id}`, demo, 'DELETE'),
    },
    {
      says: 'Use the revoked one: 401, from the very next request on',
      command: curl(`${url}/api/me`, spare.rawToken),
    },
    {
      says: 'Sign in as Ada, and take a JWT with a refresh token: 200',
      command: signInWithCurl(url),
    },
  ];
}

/** A whole command, that says the status after the answer. */
function curl(url: string, token: string, request?: 'DELETE' | object): string {
  const body = typeof request === 'object' && ` -H 'Content-Type: application/json' -d '${JSON.stringify(request)}'`;
  const method = typeof request === 'string' && ` -X ${request}`;
  return `curl -sS -w '\\nHTTP %{http_code}\\n' ${url} -H 'Authorization: Bearer ${token}'${body || ''}${method || ''}`;
}

/** Two requests of one curl, which keeps the cookie of the first for the second. */
function signInWithCurl(url: string): string {
  const json = (body: object) => `-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;
  const account = { email: DEMO_USERS[0].email, password: DEMO_PASSWORD };
  const grant = { scopes: ['read:projects', 'write:projects'] };
  const answer = String.raw`-w '\nHTTP %{http_code}\n'`;
  return `curl -sS -b '' ${url}/session ${json(account)} --next -sS -b '' ${answer} ${url}/api/jwt ${json(grant)}`;
}

/** The token with its last character changed, as after a slip of the hand. */
function withTypo(token: string): string {
  return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
}
