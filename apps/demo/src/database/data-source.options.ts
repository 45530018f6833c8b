import { sigraEntities, sigraMigrations } from 'nestjs-sigra';
import type { DataSourceOptions } from 'typeorm';
import { Member, Organization } from '../organizations/organization.entities.js';
import { Project } from '../projects/project.entity.js';
import { User } from '../users/user.entity.js';
import { demoMigrations } from './demo-migrations.js';

/** The only DataSource: Sigra's tables beside the demo's own. Migrations create them; `synchronize` stays off. */
export function dataSourceOptions(url: string): DataSourceOptions {
  return {
    type: 'postgres',
    url,
    entities: [User, Organization, Member, Project, ...sigraEntities],
    migrations: [...sigraMigrations, ...demoMigrations],
    migrationsTableName: 'demo_migrations',
    synchronize: false,
    connectTimeoutMS: 5000,
  };
}
