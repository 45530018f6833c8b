import type { Provider } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { BearerAuthGuard, ScopeGuard, SessionAuthGuard, SigraAuthGuard } from './auth.guards.js';
import { Authenticator } from './authenticator.js';
import { BearerStrategy } from './bearer.strategy.js';
import { DpopService } from './dpop.service.js';
import { ProxyCheck } from './proxy.check.js';
import { RouteChecks } from './route.checks.js';
import { SigraExceptionFilter } from './sigra-exception.filter.js';
import { SocketHandshakes } from './socket-handshake.js';

/** What guards need where they are used: in the application's modules. */
export const authExports = [
  Authenticator,
  SigraAuthGuard,
  BearerAuthGuard,
  SessionAuthGuard,
  ScopeGuard,
  BearerStrategy,
  DpopService,
];

/** Everything that Nest instantiates in this folder. */
export const authProviders: Provider[] = [
  ...authExports,
  SigraExceptionFilter,
  RouteChecks,
  ProxyCheck,
  SocketHandshakes,
  { provide: APP_FILTER, useExisting: SigraExceptionFilter },
];
