import type { DynamicModule, Type } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DataSource, type DataSourceOptions, type EntitySchema } from 'typeorm';

export interface ConnectionOptions {
  /** Of the DataSource. @default the unnamed one */
  readonly name?: string | undefined;
  readonly entities: readonly (Type<object> | EntitySchema)[];
  /** Run at boot. @default none */
  readonly migrations?: DataSourceOptions['migrations'];
  readonly poolSize?: number;
  /** Any other options. */
  readonly more?: Partial<DataSourceOptions> | undefined;
}

/** A connection as a host has it, which can be closed also when the application does not boot. */
export class Connection {
  readonly module: DynamicModule;
  private dataSource: Promise<DataSource> | undefined;

  constructor(url: string, { name, entities, migrations, poolSize = 10, more }: ConnectionOptions) {
    const options: DataSourceOptions = {
      type: 'postgres',
      url,
      entities: [...entities],
      migrations,
      migrationsRun: migrations !== undefined,
      poolSize,
      connectTimeoutMS: 10_000,
      ...more,
    } as DataSourceOptions;
    this.module = TypeOrmModule.forRootAsync({
      ...(name === undefined ? {} : { name }),
      useFactory: () => ({ ...options, name, retryAttempts: 0 }),
      dataSourceFactory: () => (this.dataSource = new DataSource(options).initialize()),
    });
  }

  /** Nest closes the connections of applications that boot. Those of others would keep the process alive. */
  async close(): Promise<void> {
    const dataSource = await this.dataSource?.catch(() => undefined);
    if (dataSource?.isInitialized) await dataSource.destroy();
  }
}
