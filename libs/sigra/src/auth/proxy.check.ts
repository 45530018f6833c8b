import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** Whether an address is that of a proxy, by its position before the server. */
type Trust = (address: string, hops: number) => boolean;

interface Express {
  get(setting: 'trust proxy fn'): Trust | undefined;
}

/** For documentation (RFC 5737): not the address of a proxy. */
const ANY_CLIENT = '203.0.113.1';
/** More than there are proxies in front of an application. */
const FAR_AWAY = 1000;

/** Looks whether each client can choose its address, and warns about it at boot. */
@Injectable()
export class ProxyCheck implements OnApplicationBootstrap {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    if (!this.trust()?.(ANY_CLIENT, FAR_AWAY)) return;
    new Logger(ProxyCheck.name).warn(
      'The framework trusts X-Forwarded-For of every client (trust proxy of Express, trustProxy of Fastify): each client chooses the ' +
        'address that audit rows, last_used_ip and limits by address have. Set it to the addresses of your proxies',
    );
  }

  private trust(): Trust | undefined {
    const adapter = this.adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const instance: unknown = adapter?.getInstance();
    switch (adapter?.getType()) {
      case 'express':
        return (instance as Express).get('trust proxy fn');
      case 'fastify':
        return trustOfFastify(instance as object);
      default:
        return undefined;
    }
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
