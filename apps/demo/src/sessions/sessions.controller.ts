import { Body, Controller, Delete, HttpCode, Post, Res, UnauthorizedException } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AllowAnonymous } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import type { HttpReply } from '../http-reply.js';
import { CurrentVisitor, type Visitor } from '../visitor.decorator.js';
import { CurrentSession, type SessionHolder } from './browser-session.js';
import { forgetSessionCookie } from './forget-session-cookie.js';
import { SessionsService } from './sessions.service.js';
import { SignInDto } from './sign-in.dto.js';

/** Browser sessions, for single-page apps and scripts with a cookie jar. The pages have forms of their own. */
@ApiTags('Session')
@Controller('session')
@AllowAnonymous()
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Post()
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign in', description: 'Answers with an HttpOnly cookie.', security: [] })
  @ApiNoContentResponse({ description: 'Signed in.' })
  @RefusalResponse(401, 'Wrong email or password.')
  async signIn(
    @Body() credentials: SignInDto,
    @CurrentSession() session: SessionHolder,
    @CurrentVisitor() visitor: Visitor,
  ): Promise<void> {
    const signedIn = await this.sessions.signIn(session, credentials, visitor);
    if (!signedIn) throw new UnauthorizedException('Wrong email or password.');
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign out', description: 'Also fine without a session.', security: [] })
  @ApiNoContentResponse({ description: 'Signed out.' })
  async signOut(
    @CurrentSession() session: SessionHolder,
    @CurrentVisitor() visitor: Visitor,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<void> {
    await this.sessions.signOut(session, visitor);
    forgetSessionCookie(reply);
  }
}
