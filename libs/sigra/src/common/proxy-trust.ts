/** Whether an address is that of a proxy, by its position before the server. */
type Trust = (address: string, hops: number) => boolean;

interface Express {
  get(setting: 'trust proxy fn'): Trust | undefined;
}

/** The parts of Nest's adapter of a framework that are used here. */
export interface FrameworkAdapter {
  getType(): string;
  getInstance(): unknown;
}

/** For documentation (RFC 5737): not the address of a proxy. */
const ANY_CLIENT = '203.0.113.1';
/** More than there are proxies in front of an application. */
const FAR_AWAY = 1000;

/**
 * Whether the framework believes `X-Forwarded-For` of every client, so that each client chooses its address. False where it is
 * not known.
 */
export function trustsEveryClient(adapter: FrameworkAdapter | undefined): boolean {
  return trustOf(adapter)?.(ANY_CLIENT, FAR_AWAY) ?? false;
}

function trustOf(adapter: FrameworkAdapter | undefined): Trust | undefined {
  const instance = adapter?.getInstance();
  switch (adapter?.getType()) {
    case 'express':
      return (instance as Express).get('trust proxy fn');
    case 'fastify':
      return trustOfFastify(instance as object);
    default:
      return undefined;
  }
}

/** Fastify shows its options only under a symbol. Ranges stay unknown, because Fastify compiles them elsewhere. */
function trustOfFastify(fastify: object): Trust | undefined {
  const symbol = Object.getOwnPropertySymbols(fastify).find(({ description }) => description === 'fastify.options');
  const options =
    symbol && (fastify as Readonly<Record<symbol, { readonly trustProxy?: unknown } | undefined>>)[symbol];
  const trust = options?.trustProxy;
  if (trust === true) return () => true;
  return typeof trust === 'function' ? (trust as Trust) : undefined;
}
