import type { INestApplication } from '@nestjs/common';
import { ApiTokenService, SigraError } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { clientsOf } from './clients.js';
import { User } from './user.js';

export interface Answer {
  /** As in HTTP: 200, or the `statusCode` of the refusal. */
  readonly status: number;
  readonly body: unknown;
}

export interface Client {
  read(token?: string): Promise<Answer>;
  write(token?: string): Promise<Answer>;
}

/** One client for each transport of the application, by name. */
export type Clients = Readonly<Record<string, Client>>;

/** The main job of the library in the application of a user, over each of its transports. */
export async function mainJob(app: INestApplication) {
  const users = app.get(DataSource).getRepository(User);
  const user = await users.save(users.create({ email: 'ada@example.com' }));
  const outcomes: Record<string, unknown> = {};
  for (const [transport, client] of Object.entries(await clientsOf(app))) {
    outcomes[transport] = await flow(app.get(ApiTokenService), user, client);
  }
  return outcomes;
}

async function flow(tokens: ApiTokenService, user: User, client: Client) {
  const { rawToken, token } = await tokens.create(user, { name: 'flow', scopes: ['read:projects'] });
  const anonymous = await client.read();
  const accepted = await client.read(rawToken);
  const lacking = await client.write(rawToken);
  await tokens.revoke(token.id);
  const revoked = await client.read(rawToken);
  const error: unknown = await tokens.verify(rawToken).catch((reason: unknown) => reason);
  return {
    statuses: [anonymous, accepted, lacking, revoked].map(({ status }) => status),
    accepted: accepted.body,
    missing: (lacking.body as { missing?: unknown }).missing,
    code: error instanceof SigraError ? error.code : undefined,
  };
}

/** The outcome over one transport. */
export const EXPECTED = {
  statuses: [401, 200, 403, 401],
  accepted: { of: 'ada@example.com', by: 'api_token' },
  missing: ['write:projects'],
  code: 'token_revoked',
};
