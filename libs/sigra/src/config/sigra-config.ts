import { Inject } from '@nestjs/common';
import type { resolveConfig } from './resolve-config.js';

/** The options of the host after validation: complete, frozen, and the only form that the library reads. */
export type SigraConfig = ReturnType<typeof resolveConfig>;

/** How JWTs are issued and verified, where they are enabled. */
export type JwtConfig = NonNullable<SigraConfig['jwt']>;

export const SIGRA_CONFIG = Symbol('SIGRA_CONFIG');
export const InjectSigraConfig = () => Inject(SIGRA_CONFIG);
