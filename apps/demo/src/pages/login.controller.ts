import { Body, Get, Post, Query, Res } from '@nestjs/common';
import { AllowAnonymous, type Caller, CurrentCaller, CurrentUser, OptionalAuth } from 'nestjs-sigra';
import { DEMO_PASSWORD, DEMO_USERS } from '../database/seed.js';
import type { HttpReply } from '../http-reply.js';
import { CurrentSession, type SessionHolder } from '../sessions/browser-session.js';
import { forgetSessionCookie } from '../sessions/session.middleware.js';
import { SessionsService } from '../sessions/sessions.service.js';
import type { User } from '../users/user.entity.js';
import { type FormBody, textOf } from './form-fields.js';
import { PageController } from './page-controller.decorator.js';
import { type Page, seeOther, view, type View } from './page.js';
import { returnPath } from './return-path.js';

@PageController()
export class LoginController {
  constructor(private readonly sessions: SessionsService) {}

  @Get('login')
  @OptionalAuth()
  show(@CurrentUser() user: User | undefined, @Query('next') next: unknown): Page {
    return user ? seeOther(returnPath(next)) : loginView({ next: returnPath(next) });
  }

  @Post('login')
  @AllowAnonymous()
  async signIn(
    @Body() form: FormBody,
    @CurrentSession() session: SessionHolder,
    @CurrentCaller() caller: Caller,
  ): Promise<Page> {
    const email = textOf(form, 'email');
    const next = returnPath(textOf(form, 'next'));
    const signedIn = await this.sessions.signIn(session, { email, password: textOf(form, 'password') }, caller);
    return signedIn ? seeOther(next) : loginView({ next, email, error: 'Wrong email or password.' }, 401);
  }

  @Post('logout')
  @AllowAnonymous()
  async signOut(
    @CurrentSession() session: SessionHolder,
    @CurrentCaller() caller: Caller,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<Page> {
    await this.sessions.signOut(session, caller);
    forgetSessionCookie(reply);
    return seeOther('/login');
  }
}

function loginView(form: { next: string; email?: string; error?: string }, status?: number): View {
  const accounts = DEMO_USERS.map(({ email }) => email);
  return view('login', 'Sign in', { email: '', error: undefined, ...form, accounts, password: DEMO_PASSWORD }, status);
}
