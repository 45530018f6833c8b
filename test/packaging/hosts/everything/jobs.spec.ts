import 'reflect-metadata';
import { SchedulerRegistry } from '@nestjs/schedule';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Test } from '@nestjs/testing';
import { AppModule } from './app.module.js';

describe('beside the modules of an application', () => {
  it('leaves one timer to each job of the application, and describes its routes', async () => {
    const testing = await Test.createTestingModule({ imports: [AppModule] }).compile();
    const app = testing.createNestApplication();
    await app.init();

    const jobs = [...app.get(SchedulerRegistry).getCronJobs().keys()];
    const { paths } = SwaggerModule.createDocument(app, new DocumentBuilder().build());
    await app.close();

    // One of the application, and the clean-up.
    expect(jobs).toHaveLength(2);
    expect(jobs.filter((name) => name.startsWith('sigra'))).toHaveLength(1);
    expect(Object.keys(paths)).toEqual(['/projects']);
  }, 60_000);
});
