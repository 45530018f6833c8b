import { ConfigurableModuleBuilder } from '@nestjs/common';
import { getDataSourceToken } from '@nestjs/typeorm';
import type { SigraModuleExtras, SigraModuleOptions } from './config/sigra-options.js';
import { mountControllers } from './http/mount-controllers.js';
import { CONTROLLER_PATHS } from './http/mounted.routes.js';
import { SIGRA_DATA_SOURCE } from './persistence/sigra-database.js';

/** The base class of `SigraModule`, with `forRoot` and `forRootAsync`, and the token of its options. */
export const { ConfigurableModuleClass, MODULE_OPTIONS_TOKEN } = new ConfigurableModuleBuilder<SigraModuleOptions>({
  moduleName: 'Sigra',
})
  .setClassMethodName('forRoot')
  .setExtras<SigraModuleExtras>(
    // Their names: Nest keeps them apart from the other options.
    { isGlobal: undefined, dataSource: undefined, controllers: undefined },
    (definition, { isGlobal = true, dataSource = 'default', controllers = {} }) => ({
      ...definition,
      global: isGlobal,
      controllers: mountControllers(controllers),
      providers: [
        ...(definition.providers ?? []),
        { provide: CONTROLLER_PATHS, useValue: controllers },
        { provide: SIGRA_DATA_SOURCE, useExisting: getDataSourceToken(dataSource) },
      ],
    }),
  )
  .build();
