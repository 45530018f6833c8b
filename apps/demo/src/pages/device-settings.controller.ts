import { Get, Param, Post, UseGuards } from '@nestjs/common';
import { CurrentPrincipal, type Principal, SessionAuthGuard, SigraError, SigraJwtService } from 'nestjs-sigra';
import { CurrentSession, type SessionHolder } from '../sessions/browser-session.js';
import type { User } from '../users/user.entity.js';
import { CurrentVisitor, type Visitor } from '../visitor.decorator.js';
import { PageController } from './page-controller.decorator.js';
import { type Page, seeOther, view } from './page.js';
import { HOME } from './return-path.js';

/** People sign out devices here: what holds a JWT and a refresh token of theirs. The list is on the settings page. */
@PageController('settings/devices')
@UseGuards(SessionAuthGuard)
export class DeviceSettingsController {
  constructor(private readonly jwt: SigraJwtService) {}

  @Get('sign-out-everywhere')
  confirmSignOutEverywhere(): Page {
    return view('sign-out-everywhere', 'Sign out everywhere');
  }

  @Post('sign-out-everywhere')
  async signOutEverywhere(
    @CurrentPrincipal() principal: Principal<User>,
    @CurrentVisitor() visitor: Visitor,
    @CurrentSession() session: SessionHolder,
  ): Promise<Page> {
    await this.jwt.signOutEverywhere(principal.user, { principal, ...visitor });
    session.current.notice = { kind: 'done', text: 'All devices are signed out. API tokens and this browser are not.' };
    return seeOther(HOME);
  }

  @Post(':id/sign-out')
  async signOut(
    @CurrentPrincipal() principal: Principal<User>,
    @CurrentVisitor() visitor: Visitor,
    @CurrentSession() session: SessionHolder,
    @Param('id') id: string,
  ): Promise<Page> {
    try {
      await this.jwt.revokeFamily(principal.user, id, { principal, ...visitor });
      session.current.notice = { kind: 'done', text: 'The device is signed out: it gets no fresh tokens any more.' };
    } catch (error) {
      // Somebody else's device looks the same as one that clean-up has taken away.
      if (!(error instanceof SigraError) || error.code !== 'not_found') throw error;
      session.current.notice = {
        kind: 'failed',
        text: 'There is no such device. It may have been signed out long ago.',
      };
    }
    return seeOther(HOME);
  }
}
