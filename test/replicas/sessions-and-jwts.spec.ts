import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { CredentialService, SigraJwtService } from 'nestjs-sigra';
import { DatabaseProxy } from '../support/database-proxy.js';
import { refusalOf } from '../support/refusal.js';
import { ReplicatedScene, untilUsed } from '../support/replicated-scene.js';
import type { TestApp, User } from '../support/test-app.js';

const SCOPES = ['read:notes'];

describe('A node that reads a standby for sessions and JWTs', () => {
  let scene: ReplicatedScene;
  let reader: TestApp;
  /** Between the node and the primary. */
  let network: DatabaseProxy;
  let user: User;

  const statusOf = async (headers: Record<string, string>) =>
    (await fetch(`${reader.url}/notes/me`, { headers })).status;
  const sessionOf = ({ id }: User) => ({ 'x-session-user': id });
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
  const signIn = async () => (await scene.writer.get(SigraJwtService).generateTokens(user, SCOPES)).accessToken;

  beforeAll(async () => {
    scene = await ReplicatedScene.start();
    network = await DatabaseProxy.start(scene.primary.url);
    reader = await scene.reader([scene.standby.url], network.url);
  }, 120_000);
  afterAll(async () => {
    await reader.app.close();
    await network.stop();
    await scene.close();
  }, 60_000);
  afterEach(() => scene.replay('resume'));

  it('accepts both from the standby alone', async () => {
    user = await scene.writer.addUser('grace@example.com');
    const jwt = await signIn();
    await scene.writer.get(CredentialService).settled();
    await untilUsed(reader);

    const outcomes: unknown[] = [];
    const listen = (message: unknown) => outcomes.push(message);
    subscribe('sigra:standby:read', listen);

    network.silence();
    const answers = await Promise.all([statusOf(sessionOf(user)), statusOf(bearer(jwt))]);
    network.speak();
    unsubscribe('sigra:standby:read', listen);

    expect(answers).toEqual([200, 200]);
    expect(outcomes).toContainEqual({ standby: new URL(scene.standby.url).host, outcome: 'proven' });
  }, 60_000);

  it('accepts at once a user, a sign-in and a new epoch that the standby lacks', async () => {
    await untilUsed(reader);
    await scene.replay('pause');
    user = await scene.writer.addUser('alan@example.com');
    const jwt = await signIn();

    expect(await Promise.all([statusOf(sessionOf(user)), statusOf(bearer(jwt))])).toEqual([200, 200]);
  }, 60_000);

  it('refuses a JWT after its sign-out, and a session after its user was disabled and settled', async () => {
    user = await scene.writer.addUser('edsger@example.com');
    const [kept, ended] = [await signIn(), await signIn()];
    const families = await scene.writer.get(SigraJwtService).listFamilies(user);
    await scene.writer.get(CredentialService).settled();
    await untilUsed(reader);

    await scene.replay('pause');
    await scene.writer.get(SigraJwtService).revokeFamily(user, families.families[0]!.id);
    const afterSignOut = [await statusOf(bearer(kept)), await statusOf(bearer(ended))].sort();
    await scene.writer.dataSource.query('UPDATE users SET disabled_at = now() WHERE id = $1', [user.id]);
    await scene.writer.get(CredentialService).settled();
    const afterDisabling = await statusOf(sessionOf(user));

    expect(afterSignOut).toEqual([200, 401]);
    expect(afterDisabling).toBe(401);
  }, 60_000);

  it('asks the primary alone about refresh tokens, and finds reuse that the standby lacks', async () => {
    user = await scene.writer.addUser('barbara@example.com');
    await scene.writer.get(CredentialService).settled();
    await untilUsed(reader);
    await scene.replay('pause');
    const { refreshToken } = await scene.writer.get(SigraJwtService).generateTokens(user, SCOPES);
    const read: unknown[] = [];
    const listen = (message: unknown) => read.push(message);
    subscribe('sigra:standby:read', listen);

    const successor = await reader.get(SigraJwtService).refresh(refreshToken);
    const reuse = await refusalOf(scene.writer.get(SigraJwtService).refresh(refreshToken));
    const afterwards = await refusalOf(reader.get(SigraJwtService).refresh(successor.refreshToken));
    unsubscribe('sigra:standby:read', listen);

    expect([reuse, afterwards]).toEqual(['reuse_detected', 'token_revoked']);
    expect(read).toEqual([]);
  }, 60_000);
});
