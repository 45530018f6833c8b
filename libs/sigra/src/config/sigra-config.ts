import { Inject, type Type } from '@nestjs/common';
import type { SessionOptions, UserProvider } from './sigra-options.js';

export type UserSourceConfig =
  | { readonly kind: 'entity'; readonly entity: Type<object> }
  | { readonly kind: 'provider'; readonly provider: Type<UserProvider> | UserProvider };

/** The host's options after validation: complete, frozen, and read by everything else. */
export interface SigraConfig {
  readonly users: {
    readonly source: UserSourceConfig;
    readonly idProperty: string;
    readonly isActive: (user: object) => boolean;
  };
  readonly apiTokens: {
    readonly prefix: string;
    readonly scopes: readonly string[];
    readonly writeImpliesRead: boolean;
    readonly requireExpiry: boolean;
    readonly maxTtl: number | undefined;
    readonly activityUpdateThreshold: number;
    readonly defaultPageSize: number;
    readonly maxPageSize: number;
  };
  readonly session:
    | {
        readonly userId: SessionOptions['userId'];
        readonly scopes: readonly string[];
        readonly trustedOrigins: ReadonlySet<string>;
      }
    | undefined;
  readonly audit: { readonly enabled: boolean; readonly retention: number | undefined };
  readonly cleanup: {
    readonly schedule: string | false;
    readonly batchSize: number;
    readonly revokedRetention: number;
  };
  readonly realm: string;
  readonly lookupTimeout: number;
}

export const SIGRA_CONFIG = Symbol('SIGRA_CONFIG');
export const InjectSigraConfig = () => Inject(SIGRA_CONFIG);
