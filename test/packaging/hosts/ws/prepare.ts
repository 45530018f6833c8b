import type { INestApplication } from '@nestjs/common';
import { WsAdapter } from '@nestjs/platform-ws';

export function prepare(app: INestApplication): INestApplication {
  return app.useWebSocketAdapter(new WsAdapter(app));
}
