import { Inject, type Type } from '@nestjs/common';
import type { JwtKey } from './jwt-keys.js';
import type { JwtCheck, SessionOptions, UserProvider } from './sigra-options.js';

export type UserSourceConfig =
  | { readonly kind: 'entity'; readonly entity: Type<object> }
  | { readonly kind: 'provider'; readonly provider: Type<UserProvider> | UserProvider };

/** JWTs as they are issued and verified. */
export interface JwtConfig {
  readonly issuer: string;
  readonly audience: string;
  readonly clientId: string;
  readonly accessTtl: number;
  readonly refreshTtl: number;
  readonly absoluteTtl: number;
  readonly keys: ReadonlyMap<string, JwtKey>;
  readonly signingKey: JwtKey;
  readonly clockTolerance: number;
  readonly claims: (user: object) => unknown;
  readonly check: JwtCheck;
  readonly reuseLeeway: number;
}

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
  /** Undefined where JWTs are not enabled. */
  readonly jwt: JwtConfig | undefined;
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
  readonly preparedStatements: boolean;
}

export const SIGRA_CONFIG = Symbol('SIGRA_CONFIG');
export const InjectSigraConfig = () => Inject(SIGRA_CONFIG);
