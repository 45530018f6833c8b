import { Controller, type Type, VERSION_NEUTRAL } from '@nestjs/common';
import { SigraConfigError } from '../config/sigra-config-error.js';
import type { ControllerPaths } from '../config/sigra-options.js';
import { ApiTokenAdminController } from './api-token-admin.controller.js';
import { ApiTokenController, OwnerTokenController, ScopeController } from './api-token.controller.js';
import { JwksController } from './jwks.controller.js';
import { JwtController } from './jwt.controller.js';
import { LeakController } from './leak.controller.js';
import { OAuthController } from './oauth.controller.js';

const CONTROLLERS: Readonly<Record<keyof ControllerPaths, Type<object>>> = {
  tokens: ApiTokenController,
  owners: OwnerTokenController,
  admin: ApiTokenAdminController,
  scopes: ScopeController,
  jwt: JwtController,
  oauth: OAuthController,
  jwks: JwksController,
  leaks: LeakController,
};

/**
 * Mounts each ready-made controller for which the host gives a path.
 *
 * @throws SigraConfigError for an unknown controller, or a path that is not a string
 */
export function mountControllers(paths: ControllerPaths): Type<object>[] {
  return Object.entries(paths as Record<string, unknown>)
    .filter(([, path]) => path !== undefined)
    .map(([name, path]) => {
      if (!Object.hasOwn(CONTROLLERS, name)) {
        const known = Object.keys(CONTROLLERS).join(', ');
        throw new SigraConfigError(`controllers.${name}`, `is not a controller of Sigra; use one of: ${known}`);
      }
      if (typeof path !== 'string') {
        throw new SigraConfigError(`controllers.${name}`, `must be the path to mount it under, such as "api/${name}"`);
      }
      return mount(name as keyof ControllerPaths, path);
    });
}

/** Returns a new class for each module, so that two applications in one process can use different paths. */
function mount(name: keyof ControllerPaths, path: string): Type<object> {
  const controller = CONTROLLERS[name];
  const mounted = class extends controller {};
  Object.defineProperty(mounted, 'name', { value: controller.name });
  // These endpoints have one URL for each: clients find them by metadata, and scanners are told it.
  const isFound = name === 'oauth' || name === 'jwks' || name === 'leaks';
  const under = name === 'owners' ? `${path}/:ownerType/:ownerId` : path;
  Controller({ path: under, ...(isFound && { version: VERSION_NEUTRAL }) })(mounted);
  return mounted;
}
