import { Controller, type Type } from '@nestjs/common';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { ControllerPaths } from '../config/sigra-options.js';
import { ApiTokenController } from './api-token.controller.js';
import { JwksController } from './jwks.controller.js';
import { JwtController } from './jwt.controller.js';
import { OAuthController } from './oauth.controller.js';
import { ScopeController } from './scope.controller.js';

const CONTROLLERS: Readonly<Record<keyof ControllerPaths, Type<object>>> = {
  tokens: ApiTokenController,
  scopes: ScopeController,
  jwt: JwtController,
  oauth: OAuthController,
  jwks: JwksController,
};

/**
 * The ready-made controllers that the host has named a path for.
 *
 * @throws SigraConfigError for a controller that does not exist, or a path that is none
 */
export function mountControllers(paths: ControllerPaths): Type<object>[] {
  return Object.entries(paths as Record<string, unknown>)
    .filter(([, path]) => path !== undefined)
    .map(([name, path]) => {
      if (!Object.hasOwn(CONTROLLERS, name)) {
        const known = Object.keys(CONTROLLERS).join(', ');
        throw new SigraConfigError(`controllers.${name}`, `is no controller of Sigra; known are: ${known}`);
      }
      if (typeof path !== 'string') {
        throw new SigraConfigError(`controllers.${name}`, `must be the path to mount it under, such as "api/${name}"`);
      }
      return mount(CONTROLLERS[name as keyof ControllerPaths], path);
    });
}

/** A class of its own for every module, so that two applications of one process can use different paths. */
function mount(controller: Type<object>, path: string): Type<object> {
  const mounted = class extends controller {};
  Object.defineProperty(mounted, 'name', { value: controller.name });
  Controller(path)(mounted);
  return mounted;
}
