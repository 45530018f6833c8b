import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';
import { mainJob } from './flow.js';
import { platform } from './platform.js';
import { prepare } from './prepare.js';

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, ...platform(), { logger: ['error', 'warn'] });
  await prepare(app).listen(0, '127.0.0.1');
  const outcome = await mainJob(app).finally(() => app.close());
  console.log(JSON.stringify(outcome));
}

void main();
