import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { trustsEveryClient } from '../common/proxy-trust.js';

/** Looks whether each client can choose its address, and warns about it at boot. */
@Injectable()
export class ProxyCheck implements OnApplicationBootstrap {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onApplicationBootstrap(): void {
    if (!trustsEveryClient(this.adapterHost.httpAdapter)) return;
    new Logger(ProxyCheck.name).warn(
      'The framework trusts X-Forwarded-For of every client (trust proxy of Express, trustProxy of Fastify): each client chooses the ' +
        'address that audit rows, last_used_ip and limits by address have. Set it to the addresses of your proxies',
    );
  }
}
