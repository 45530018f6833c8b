// Compiled to CommonJS: what it uses of the package is loaded with require().
import { Controller, Get, Injectable, UseGuards } from '@nestjs/common';
import * as required from 'nestjs-sigra';

@Controller('legacy')
export class LegacyController {
  @Get()
  @required.RequireScopes('read:projects')
  get(@required.CurrentPrincipal() { method }: required.Principal) {
    return { method };
  }

  @Get('secret')
  @required.RequireScopes('write:projects')
  secret() {
    return { ok: true };
  }
}

@Controller('guarded')
@UseGuards(required.SigraAuthGuard)
export class GuardedController {
  @Get()
  get() {
    return { ok: true };
  }
}

@Injectable()
export class LegacyService {
  constructor(readonly tokens: required.ApiTokenService) {}
}

export { required };
