import { Get, Param, Post, UseGuards } from '@nestjs/common';
import { type Caller, CurrentCaller, CurrentUser, SessionAuthGuard, SigraError, SigraJwtService } from 'nestjs-sigra';
import { CurrentSession, type SessionHolder } from '../sessions/browser-session.js';
import type { User } from '../users/user.entity.js';
import { PageController } from './page-controller.decorator.js';
import { type Page, seeOther, view } from './page.js';
import { HOME } from './return-path.js';

/** Signs out refresh families, which the pages call devices. The token page lists them. */
@PageController('settings/devices')
@UseGuards(SessionAuthGuard)
export class FamilySettingsController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Get('sign-out-everywhere')
  confirmSignOutEverywhere(): Page {
    return view('sign-out-everywhere', 'Sign out everywhere');
  }

  @Post('sign-out-everywhere')
  async signOutEverywhere(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
  ): Promise<Page> {
    await this.jwt.signOutEverywhere(user, caller);
    session.current.notice = {
      kind: 'done',
      text: 'All devices are signed out. Your API tokens still work, and you stay signed in here.',
    };
    return seeOther(HOME);
  }

  @Post(':id/sign-out')
  async signOut(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
    @Param('id') id: string,
  ): Promise<Page> {
    try {
      await this.jwt.revokeFamily(user, id, caller);
      session.current.notice = { kind: 'done', text: 'The device is signed out. It can no longer refresh its tokens.' };
    } catch (error) {
      // The same for another user's device as for one that clean-up has deleted.
      if (!(error instanceof SigraError) || error.code !== 'not_found') throw error;
      session.current.notice = { kind: 'failed', text: 'There is no such device. It may already be signed out.' };
    }
    return seeOther(HOME);
  }
}
