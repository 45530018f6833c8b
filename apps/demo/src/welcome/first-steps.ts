import { DEMO_PASSWORD, DEMO_USERS } from '../database/seed.js';

/** A command to paste into a terminal. */
export interface Step {
  readonly title: string;
  readonly command: string;
}

/** An option of curl that prints the status after the answer. */
export const STATUS = String.raw`-w '\nHTTP %{http_code}\n'`;

/** The headers and the body of a request with JSON, for curl. */
export const jsonBody = (body: object) => `-H 'Content-Type: application/json' -d '${JSON.stringify(body)}'`;

/** A command with two requests: the second one sends the cookie of the sign-in, and prints its answer. */
export function signedIn(url: string, request: string): string {
  const account = { email: DEMO_USERS[0].email, password: DEMO_PASSWORD };
  return `curl -sS -b '' ${url}/session ${jsonBody(account)} --next -sS -b '' ${request}`;
}

/** A command that prints the answer and then its status. */
export const curl = (request: string) => `curl -sS ${STATUS} ${request}`;

/** The main job in three lines for one terminal: create a token, use it, revoke it and use it again. */
export function firstSteps(url: string): Step[] {
  const request = `${url}/api/tokens ${jsonBody({ name: 'From the first page', scopes: ['read:projects'] })}`;
  const use = curl(`${url}/api/projects -H "Authorization: Bearer $TOKEN"`);
  return [
    {
      title: 'Sign in as Ada, and create a token',
      command: `TOKEN=$(${signedIn(url, request)} | grep -o 'sigra_sk_[0-9A-Za-z]\\{49\\}')`,
    },
    { title: 'List her projects with it: 200', command: use },
    {
      title: 'Revoke it, and list them again: 401',
      command: `curl -sS ${url}/oauth/revoke -d token=$TOKEN; ${use}`,
    },
  ];
}
