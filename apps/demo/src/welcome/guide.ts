import { DEMO_PASSWORD, DEMO_USERS } from '../database/seed.js';
import type { HttpAdapterName } from '../environment.js';
import { curl, jsonBody, signedIn, type Step, STATUS } from './first-steps.js';
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

function stepsFor(url: string, { demo, spare, limited, organization }: StartTokens): Step[] {
  const grant = { scopes: ['read:projects', 'write:projects'] };
  return [
    { title: "Ada's projects: 200", command: curlWith(demo, `${url}/api/projects`) },
    {
      title: 'Statistics, which need the scope admin that this token lacks: 403',
      command: curlWith(demo, `${url}/api/admin/stats`),
    },
    { title: 'An invalid token: 401', command: curlWith(withTypo(demo), `${url}/api/projects`) },
    {
      title: 'Create a token: 201, and rawToken is shown only once',
      command: curlWith(demo, `${url}/api/tokens`, { name: 'Made with curl', scopes: ['read:projects'] }),
    },
    {
      title: 'Revoke a spare token, which exists for this command: 204',
      command: curlWith(demo, `${url}/api/tokens/${spare.id}`, 'DELETE'),
    },
    {
      title: 'Use the revoked token: 401, from the very next request on',
      command: curlWith(spare.rawToken, `${url}/api/me`),
    },
    {
      title: 'Sign in as Ada, and get a JWT with a refresh token: 200',
      command: signedIn(url, `${STATUS} ${url}/api/jwt ${jsonBody(grant)}`),
    },
    {
      title: 'A token that is limited to one project reads it, and lists no other one: 200',
      command: curlWith(limited.rawToken, `${url}/api/projects`),
    },
    {
      title: 'The projects of an organization, with a token of its own: 200',
      command: curlWith(organization, `${url}/api/projects`),
    },
  ];
}

/** A command that sends a token, and a body if one is given. */
function curlWith(token: string, address: string, request?: 'DELETE' | object): string {
  const rest = request === 'DELETE' ? ' -X DELETE' : request && ` ${jsonBody(request)}`;
  return curl(`${address} -H 'Authorization: Bearer ${token}'${rest ?? ''}`);
}

/** The token with its last character changed. */
function withTypo(token: string): string {
  return token.slice(0, -1) + (token.endsWith('0') ? '1' : '0');
}
