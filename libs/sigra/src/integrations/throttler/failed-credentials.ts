/** The most networks, and the most good credentials, that are remembered. The oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;
/** How many different bad credentials of a network, in multiples of the limit, end the trust in new ones. */
const DISTRUST = 10;

interface Network {
  /** Hashes of the credentials, with their addresses, that failed since the network was last not blocked. */
  readonly failed: Set<string>;
  /** Milliseconds of `performance.now()`. */
  blockedUntil: number;
}

/** Why a network waits. */
export interface Block {
  /** Seconds until its credentials are verified again, at least 1. */
  readonly wait: number;
  /** Whether the credential itself has failed. Otherwise it has not been seen, and the network is guessing. */
  readonly hasFailed: boolean;
}

/**
 * Remembers which credentials failed from which network, and which were good. A network that sends too many bad credentials is
 * blocked, but not the honest users behind the same address: a credential that has not failed is still verified, until there are
 * so many different ones that somebody is guessing. Credentials that were good before are verified even then.
 */
export class FailedCredentials {
  private readonly networks = new Map<string, Network>();
  private readonly good = new Set<string>();

  /** @param limit how many failures of a network are allowed in one window */
  constructor(private readonly limit: number) {}

  /**
   * Looks whether a credential has to wait.
   *
   * @param credential a hash
   * @param source a hash of the credential and the address that it comes from: a good credential can be refused from another one
   * @returns undefined when it is verified now
   */
  blockOf(network: string, credential: string, source: string): Block | undefined {
    const known = this.networks.get(network);
    const left = known ? known.blockedUntil - performance.now() : 0;
    if (!known || left <= 0) return undefined;
    const hasFailed = known.failed.has(source);
    const isTrusted = known.failed.size < this.limit * DISTRUST || this.good.has(credential);
    return isTrusted && !hasFailed ? undefined : { wait: Math.ceil(left / 1000), hasFailed };
  }

  /**
   * Records that a credential is bad.
   *
   * @param source see `blockOf`
   * @param blockedFor for how long the network is blocked, in seconds. 0 means not at all
   */
  recordBad(network: string, credential: string, source: string, blockedFor: number): void {
    this.good.delete(credential);
    const now = performance.now();
    const known = this.networks.get(network);
    const isOver = known !== undefined && known.blockedUntil > 0 && known.blockedUntil <= now;
    const next = known && !isOver ? known : { failed: new Set<string>(), blockedUntil: 0 };
    if (next.failed.size < this.limit * DISTRUST) next.failed.add(source);
    if (blockedFor > 0) next.blockedUntil = now + blockedFor * 1000;
    this.networks.delete(network);
    this.networks.set(network, next);
    trim(this.networks);
  }

  /** Records that a credential is good. Only of one that has been verified: otherwise junk forgets honest credentials. */
  recordGood(credential: string): void {
    this.good.delete(credential);
    this.good.add(credential);
    trim(this.good);
  }
}

function trim(remembered: Map<string, unknown> | Set<string>): void {
  if (remembered.size <= MAX_REMEMBERED) return;
  const [oldest] = remembered.keys();
  if (oldest !== undefined) remembered.delete(oldest);
}
