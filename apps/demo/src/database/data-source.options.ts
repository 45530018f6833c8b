import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import type { DataSourceOptions } from 'typeorm';
import { Project } from '../projects/project.entity.js';
import { User } from '../users/user.entity.js';
import { demoMigrations } from './migrations/demo-migrations.js';

/** The one DataSource: Sigra's tables beside the demo's own. Migrations make them; `synchronize` stays off. */
export function dataSourceOptions(url: string): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities: [User, Project, ...sigraEntities],
    migrations: [...sigraMigrations, ...demoMigrations],
    migrationsTableName: 'demo_migrations',
    synchronize: false,
    connectTimeoutMS: 5000,
  };
}
