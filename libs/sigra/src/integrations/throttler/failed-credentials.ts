/** The most networks, and the most good credentials, that are remembered. The oldest are forgotten first. */
const MAX_REMEMBERED = 10_000;
/** How many different bad credentials of a network, in multiples of the limit, end the trust in new ones. */
const DISTRUST = 10;

interface Network {
  /** Hashes of the credentials that failed since the network was last not blocked. */
  readonly failed: Set<string>;
  /** Milliseconds of `performance.now()`. */
  blockedUntil: number;
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
   * The time until a credential is verified again.
   *
   * @param credential a hash
   * @returns seconds, at least 1; undefined when it is verified now
   */
  waitOf(network: string, credential: string): number | undefined {
    const known = this.networks.get(network);
    const left = known ? known.blockedUntil - performance.now() : 0;
    if (!known || left <= 0) return undefined;
    const isTrusted = known.failed.size < this.limit * DISTRUST || this.good.has(credential);
    return isTrusted && !known.failed.has(credential) ? undefined : Math.ceil(left / 1000);
  }

  /**
   * Records that a credential is bad.
   *
   * @param blockedFor for how long the network is blocked, in seconds. 0 means not at all
   */
  recordBad(network: string, credential: string, blockedFor: number): void {
    this.good.delete(credential);
    const now = performance.now();
    const known = this.networks.get(network);
    const isOver = known !== undefined && known.blockedUntil > 0 && known.blockedUntil <= now;
    const next = known && !isOver ? known : { failed: new Set<string>(), blockedUntil: 0 };
    if (next.failed.size < this.limit * DISTRUST) next.failed.add(credential);
    if (blockedFor > 0) next.blockedUntil = now + blockedFor * 1000;
    this.networks.delete(network);
    this.networks.set(network, next);
    trim(this.networks);
  }

  /** Records that a credential is good. */
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
