import type { INestApplication, ModuleMetadata } from '@nestjs/common';
import type { SeededDatabases } from '../../harness/stage.js';
import type { Headers } from '../../harness/load.js';

/** The credentials of a request of user number `user`. */
export interface Visitor {
  /** Number of the user, from 1. */
  readonly user: number;
  /** Number of one of the user's tokens. */
  readonly token: number;
}

/** One way to guard a route. */
export interface HttpContestant {
  /** Modules and providers of the application, including the guard of all its routes. */
  readonly module: Pick<ModuleMetadata, 'imports' | 'providers'>;
  credential(visitor: Visitor, app: INestApplication): Headers | Promise<Headers>;
}

export type HttpFactory = (databases: SeededDatabases) => HttpContestant;

export const bearer = (credential: string): Headers => ({ authorization: `Bearer ${credential}` });
