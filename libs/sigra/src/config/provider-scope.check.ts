import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import { SigraConfigError } from './sigra-config-error.js';
import { SIGRA_CONFIG } from './sigra-config.js';

/**
 * Refuses options that depend on a request-scoped provider. Nest would make everything that reads them anew for each
 * request, without the checks at boot and without sharing a query between requests.
 */
@Injectable()
export class ProviderScopeCheck implements OnModuleInit {
  // It does not inject the options: it would be request-scoped itself, and then Nest does not call it.
  constructor(private readonly moduleRef: ModuleRef) {}

  onModuleInit(): void {
    try {
      this.moduleRef.get(SIGRA_CONFIG, { strict: true });
    } catch (error) {
      if (!isScoped(error)) throw error;
      throw new SigraConfigError(
        'forRootAsync',
        'injects a provider that is request-scoped or transient, or depends on one; inject providers of the default scope, and read the request in the functions that get it, such as session.userId',
      );
    }
  }
}

/** Whether Nest did not find a provider because it has no instance that all requests share. */
export function isScoped(error: unknown): boolean {
  return error instanceof Error && error.constructor.name === 'InvalidClassScopeException';
}
