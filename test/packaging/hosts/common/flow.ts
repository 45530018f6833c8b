import type { INestApplication } from '@nestjs/common';
import { ApiTokenService, SigraError } from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { User } from './user.js';

/** The main job of the library in the application of a user. */
export async function mainJob(app: INestApplication) {
  const server = `http://127.0.0.1:${(app.getHttpServer().address() as { port: number }).port}`;
  const request = async (method: string, token?: string) => {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(`${server}/projects`, { method, headers });
    return { status: response.status, body: (await response.json()) as unknown };
  };
  const users = app.get(DataSource).getRepository(User);
  const user = await users.save(users.create({ email: 'ada@example.com' }));
  const tokens = app.get(ApiTokenService);
  const { rawToken, token } = await tokens.create(user, { name: 'flow', scopes: ['read:projects'] });

  const anonymous = await request('GET');
  const accepted = await request('GET', rawToken);
  const lacking = await request('POST', rawToken);
  await tokens.revoke(token.id);
  const revoked = await request('GET', rawToken);
  const error: unknown = await tokens.verify(rawToken).catch((reason: unknown) => reason);
  return {
    statuses: [anonymous, accepted, lacking, revoked].map(({ status }) => status),
    accepted: accepted.body,
    missing: (lacking.body as { missing?: unknown }).missing,
    code: error instanceof SigraError ? error.code : undefined,
  };
}

export const EXPECTED = {
  statuses: [401, 200, 403, 401],
  accepted: { of: 'ada@example.com', by: 'api_token' },
  missing: ['write:projects'],
  code: 'token_revoked',
};
