import type { INestApplication } from '@nestjs/common';

/** What the application does before it listens: nothing, in most hosts. */
export function prepare(app: INestApplication): INestApplication {
  return app;
}
