import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { Injectable, type OnModuleDestroy } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/**
 * Ends kept-alive connections when the application shuts down. Node's server only stops to accept new ones, and serves requests
 * over the others until their clients close them, so on Express the shutdown would last as long as the traffic.
 */
@Injectable()
export class ConnectionDrain implements OnModuleDestroy {
  constructor(private readonly adapterHost: HttpAdapterHost) {}

  onModuleDestroy(): void {
    // An application of another kind has no adapter.
    const adapter = this.adapterHost.httpAdapter as HttpAdapterHost['httpAdapter'] | undefined;
    const server = adapter?.getHttpServer() as Server | undefined;
    if (typeof server?.prependListener !== 'function') return;
    // Connections that are idle, or become idle when the response under way ends.
    server.keepAliveTimeout = 1;
    server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.httpVersionMajor < 2 && !response.headersSent) response.setHeader('Connection', 'close');
    });
  }
}
