import type { INestApplicationContext } from '@nestjs/common';

/** Anything that hands out an application's providers as Nest does: an application, its context, a `TestingModule`. */
export type Providers = Pick<INestApplicationContext, 'get'>;
