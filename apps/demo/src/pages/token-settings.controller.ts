import { Get, UseGuards } from '@nestjs/common';
import { type Caller, CurrentCaller, CurrentUser, SessionAuthGuard, SigraJwtService } from 'nestjs-sigra';
import type { User } from '../users/user.entity.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/** The default of `jwt.maxFamiliesPerOwner`: the page shows all devices. */
const MOST_FAMILIES = 100;
/** They do nothing for a user who is not an administrator. */
const ADMIN_SCOPES = ['admin', 'api_tokens:admin'];

/** The page on which people manage their API tokens, with `<sigra-tokens>`, and their devices. */
@PageController('settings/tokens')
@UseGuards(SessionAuthGuard)
export class TokenSettingsController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Get()
  async show(@CurrentUser() user: User, @CurrentCaller() caller: Caller): Promise<View> {
    const { families } = await this.jwt.listFamilies(user, { limit: MOST_FAMILIES }, caller);
    return view('tokens', 'API tokens', { families, hiddenScopes: user.isAdmin ? [] : ADMIN_SCOPES });
  }
}
