import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from './eventually.js';
import { SeededRandom } from './seeded-random.js';

/** One answer of the application. */
export interface Served {
  readonly action: string;
  /** 0 when the connection failed, or the client's patience ended. */
  readonly status: number;
  /** The code in the body of an error; without an answer that of the connection, such as `ECONNRESET`. */
  readonly code: string | undefined;
  /** Whether nothing has changed: the answer says that the request can be repeated, or the connection was refused. */
  readonly isRepeatable: boolean;
  /** Whether the request had the idempotency key of an earlier one. */
  readonly isRepetition: boolean;
  /** When the request was sent and answered, in milliseconds of `performance.now()`. */
  readonly start: number;
  readonly end: number;
}

/** The changes that were answered with 2xx. */
export interface Acknowledged {
  readonly created: string[];
  /** Old and new ids. */
  readonly rotated: (readonly [string, string])[];
  /** Ids, and the descriptions that they got, which are unique. */
  readonly changed: (readonly [string, string])[];
  readonly revoked: string[];
  /** Ids of owners, once for each call. */
  readonly revokedAll: string[];
  readonly lockedOut: string[];
  /** Ids of the families that sign-ins began. */
  readonly signedIn: string[];
  /** Refreshes by owner. */
  readonly refreshed: string[];
}

interface Token {
  readonly id: string;
  readonly rawToken: string;
}
interface Pair {
  readonly access_token: string;
  readonly refresh_token: string;
}
interface Body {
  readonly error?: string;
  readonly rawToken?: string;
  readonly token?: { readonly id: string };
}
type Reply = Served & { readonly body: Body & Partial<Pair> };

/** Longer than any answer may take. */
const PATIENCE_MS = 15_000;
const OUT_OF_PATIENCE = Object.assign(new Error('No answer'), { code: 'TIMEOUT' });
const PAUSE_MS = 20;
/** Idle connections are closed long before the application does it, which could be just as a request is on its way. */
export const IDLE_MS = 1000;
/** Statuses of requests that any credential can get. Whether a fault may leave them without an answer is not decided here. */
const UNAVAILABLE = [0, 503];
const MOST_TOKENS = 20;
const SCOPES = ['read:notes'];

/**
 * Clients that use and change credentials without a pause, and know what they were told: a credential is live, dead, or its
 * state is unknown, because the answer to the change was lost or said so.
 */
export class CredentialLoad {
  readonly served: Served[] = [];
  /** What contradicts an answer that was given before. */
  readonly violations: string[] = [];
  readonly acknowledged: Acknowledged = {
    created: [],
    rotated: [],
    changed: [],
    revoked: [],
    revokedAll: [],
    lockedOut: [],
    signedIn: [],
    refreshed: [],
  };
  private readonly users: readonly Client[];
  private readonly agent: Agent;
  private going = true;
  private done: Promise<unknown> = Promise.resolve();

  /**
   * @param urls of the nodes, which can change: each request goes to the next one
   * @param userIds one for each client
   */
  constructor(
    public urls: readonly string[],
    userIds: readonly string[],
    seed = 1,
  ) {
    this.agent = new Agent({ keepAlive: true, maxSockets: userIds.length, timeout: IDLE_MS });
    this.users = userIds.map((userId, index) => new Client(this, userId, new SeededRandom(seed * 1000 + index)));
  }

  /** The number of clients. */
  get clients(): number {
    return this.users.length;
  }

  start(): void {
    this.going = true;
    this.done = Promise.all(
      this.users.map(async (client) => {
        while (this.going) {
          await client.act();
          await delay(PAUSE_MS);
        }
      }),
    );
  }

  /** Ends when the requests under way are answered. */
  async stop(): Promise<void> {
    this.going = false;
    await this.done;
  }

  /** Presents every credential again whose state is known. */
  async checkAll(): Promise<void> {
    await Promise.all(this.users.map((client) => client.checkAll()));
  }

  close(): void {
    this.agent.destroy();
  }

  private turn = 0;
  private readonly keys = new Set<string>();

  send(
    action: string,
    method: string,
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: object | URLSearchParams,
  ): Promise<Reply> {
    const url = this.urls[this.turn++ % this.urls.length]!;
    const key = headers['idempotency-key'];
    const isRepetition = key !== undefined && this.keys.has(key);
    if (key !== undefined) this.keys.add(key);
    const start = performance.now();
    const text = body === undefined ? undefined : body instanceof URLSearchParams ? String(body) : JSON.stringify(body);
    const type = body instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'application/json';
    return new Promise((resolve) => {
      const finish = (status: number, body: Reply['body'], code: string | undefined, isRepeatable: boolean) => {
        const served = { action, status, code, isRepeatable, isRepetition, start, end: performance.now() };
        this.served.push(served);
        resolve({ ...served, body });
      };
      const fail = ({ code }: NodeJS.ErrnoException) => finish(0, {}, code, code === 'ECONNREFUSED');
      const sent = request(
        `${url}${path}`,
        {
          method,
          agent: this.agent,
          timeout: PATIENCE_MS,
          headers: {
            ...headers,
            ...(text !== undefined && { 'content-type': type, 'content-length': Buffer.byteLength(text) }),
          },
        },
        (response) => {
          let content = '';
          response.setEncoding('utf8');
          response.on('data', (chunk: string) => (content += chunk));
          response.on('end', () => {
            const answer = content.startsWith('{') ? (JSON.parse(content) as Reply['body']) : {};
            finish(response.statusCode ?? 0, answer, answer.error, 'retry-after' in response.headers);
          });
          response.on('error', fail);
        },
      );
      sent.on('timeout', () => sent.destroy(OUT_OF_PATIENCE));
      sent.on('error', fail);
      sent.end(text);
    });
  }
}

/** One client, with a user of its own. */
class Client {
  private live: Token[] = [];
  private dead: Token[] = [];
  private pair: Pair | undefined;
  private deadPair: Pair | undefined;
  /** A request whose outcome is unknown, which is repeated next: a creation and a rotation with their key. */
  private pending: (() => Promise<void>) | undefined;
  /** Whether an earlier attempt of it can have made the change: then an answer that says "not made" is not about that one. */
  private isUncertain = false;

  constructor(
    private readonly load: CredentialLoad,
    private readonly userId: string,
    private readonly random: SeededRandom,
  ) {}

  async act(): Promise<unknown> {
    const { pending } = this;
    this.pending = undefined;
    if (pending) return pending();
    const roll = this.random.next();
    if (this.live.length === 0) return this.create();
    if (!this.pair) return this.signIn();
    if (roll < 0.3) return this.use(this.pick(this.live), true);
    if (roll < 0.4 && this.dead.length > 0) return this.use(this.pick(this.dead), false);
    if (roll < 0.5) return this.usePair();
    if (roll < 0.56) return this.change();
    if (roll < 0.68) return this.live.length < MOST_TOKENS ? this.create() : this.revoke();
    if (roll < 0.79) return this.rotate();
    if (roll < 0.85) return this.revoke();
    if (roll < 0.97) return this.refresh();
    return roll < 0.985 ? this.revokeAll() : this.lockOut();
  }

  async checkAll(): Promise<void> {
    while (this.pending) await this.act();
    for (const token of this.live) await eventually(() => this.use(token, true));
    for (const token of this.dead) await eventually(() => this.use(token, false));
    await eventually(() => this.usePair());
    if (this.pair) await this.refresh();
  }

  /** Whether the answer says if the token is accepted. */
  private async use({ id, rawToken }: Token, isLive: boolean): Promise<boolean> {
    const { status } = await this.load.send('use token', 'GET', '/me', bearer(rawToken));
    return this.expect(status, isLive ? 200 : 401, `the ${isLive ? 'live' : 'dead'} token ${id}`);
  }

  /** Whether the answers say if the JWTs are accepted. */
  private async usePair(): Promise<boolean> {
    const { pair, deadPair } = this;
    let areKnown = true;
    if (pair) {
      const { status } = await this.load.send('use JWT', 'GET', '/me', bearer(pair.access_token));
      areKnown = this.expect(status, 200, `a live JWT of ${this.userId}`);
    }
    if (deadPair) {
      const { status } = await this.load.send('use JWT', 'GET', '/me', bearer(deadPair.access_token));
      areKnown = this.expect(status, 401, `a dead JWT of ${this.userId}`) && areKnown;
    }
    return areKnown;
  }

  private async create(name: string = randomUUID(), key: string = randomUUID()): Promise<void> {
    const headers = { ...this.session, 'idempotency-key': key };
    const reply = await this.load.send('create', 'POST', '/api/tokens', headers, { name, scopes: SCOPES });
    const repeat = () => this.create(name, key);
    const made = this.outcome(reply, 201, 'a creation', repeat);
    if (made === false) this.pending = repeat;
    if (!made) return;
    const { id } = reply.body.token!;
    this.load.acknowledged.created.push(id);
    this.live.push({ id, rawToken: reply.body.rawToken! });
  }

  private async rotate(token = this.take(), key: string = randomUUID()): Promise<void> {
    const path = `/api/tokens/${token.id}/rotate`;
    const headers = { ...this.session, 'idempotency-key': key };
    const reply = await this.load.send('rotate', 'POST', path, headers, {});
    const made = this.outcome(reply, 201, `the rotation of ${token.id}`, () => this.rotate(token, key));
    if (made === false) this.live.push(token);
    if (!made) return;
    const { id } = reply.body.token!;
    this.load.acknowledged.rotated.push([token.id, id]);
    this.live.push({ id, rawToken: reply.body.rawToken! });
    this.dead.push(token);
  }

  private async change(
    { id }: Pick<Token, 'id'> = this.pick(this.live),
    description: string = randomUUID(),
  ): Promise<void> {
    const reply = await this.load.send('change', 'PATCH', `/api/tokens/${id}`, this.session, { description });
    const repeat = () => this.change({ id }, description);
    if (this.outcome(reply, 200, `the change of ${id}`, repeat)) this.load.acknowledged.changed.push([id, description]);
  }

  private async revoke(token = this.take()): Promise<void> {
    const reply = await this.load.send('revoke', 'DELETE', `/api/tokens/${token.id}`, this.session);
    const made = this.outcome(reply, 204, `the revocation of ${token.id}`, () => this.revoke(token));
    if (made === false) this.live.push(token);
    if (!made) return;
    this.load.acknowledged.revoked.push(token.id);
    this.dead.push(token);
  }

  private async revokeAll(): Promise<void> {
    const reply = await this.load.send('revoke all', 'DELETE', '/api/tokens', this.session);
    const what = `the revocation of all tokens of ${this.userId}`;
    if (!this.outcome(reply, 200, what, () => this.revokeAll())) return;
    this.load.acknowledged.revokedAll.push(this.userId);
    this.dead.push(...this.live.splice(0));
  }

  private async lockOut(): Promise<void> {
    const reply = await this.load.send('lock out', 'POST', '/me/lock-out', this.session, {});
    if (!this.outcome(reply, 204, `the lock-out of ${this.userId}`, () => this.lockOut())) return;
    this.load.acknowledged.lockedOut.push(this.userId);
    this.dead.push(...this.live.splice(0));
    this.deadPair = this.pair;
    this.pair = undefined;
  }

  private async signIn(): Promise<void> {
    const { status, body } = await this.load.send('sign in', 'POST', '/api/jwt', this.session, { scopes: SCOPES });
    this.expect(status, 200, 'a sign-in');
    if (!isPair(body)) return;
    this.load.acknowledged.signedIn.push(familyOf(body));
    this.pair = body;
  }

  private async refresh(): Promise<void> {
    const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: this.pair!.refresh_token });
    const { status, isRepeatable, body } = await this.load.send('refresh', 'POST', '/oauth/token', {}, form);
    this.expect(status, 200, `a refresh of ${this.userId}`);
    if (isPair(body)) {
      this.load.acknowledged.refreshed.push(this.userId);
      this.pair = body;
    } else if (!isRepeatable) this.pair = undefined;
  }

  /**
   * Whether a change was made. If that is unknown, it is repeated next.
   *
   * @returns undefined if it is unknown
   */
  private outcome(
    { status, isRepeatable }: Served,
    expected: number,
    what: string,
    repeat: () => Promise<void>,
  ): boolean | undefined {
    this.expect(status, expected, what);
    if (isRepeatable && !this.isUncertain) return false;
    this.isUncertain = UNAVAILABLE.includes(status);
    if (this.isUncertain) this.pending = repeat;
    return status === expected || undefined;
  }

  /** Whether there was an answer other than one that says that the database is unavailable. */
  private expect(status: number, expected: number, what: string): boolean {
    const isKnown = !UNAVAILABLE.includes(status);
    if (isKnown && status !== expected) this.load.violations.push(`${what} was answered with ${status}`);
    return isKnown;
  }

  private get session(): Record<string, string> {
    return { 'x-session-user': this.userId };
  }

  private pick(tokens: readonly Token[]): Token {
    return this.random.pick(tokens);
  }

  private take(): Token {
    return this.live.splice(this.random.below(this.live.length), 1)[0]!;
  }
}

function bearer(rawToken: string): Record<string, string> {
  return { authorization: `Bearer ${rawToken}` };
}

/** The id of the family, which the access token names. */
function familyOf({ access_token: jwt }: Pair): string {
  const claims = JSON.parse(Buffer.from(jwt.split('.')[1]!, 'base64url').toString()) as { readonly sid: string };
  return claims.sid;
}

function isPair(body: Partial<Pair>): body is Pair {
  return body.access_token !== undefined && body.refresh_token !== undefined;
}
