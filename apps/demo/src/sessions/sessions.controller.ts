import { Body, Controller, Delete, HttpCode, Post, Res, UnauthorizedException } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import { AllowAnonymous, type Caller, CurrentCaller } from 'nestjs-sigra';
import { RefusalResponse } from '../docs/refusal-response.decorator.js';
import type { HttpReply } from '../http-reply.js';
import { CurrentSession, type SessionHolder } from './browser-session.js';
import { forgetSessionCookie } from './session.middleware.js';
import { SessionsService } from './sessions.service.js';

class SignInDto {
  @ApiProperty({ example: 'ada@example.com' })
  @IsString()
  @MaxLength(254)
  email!: string;

  @ApiProperty({ example: 'sigra-demo' })
  @IsString()
  @MaxLength(1000)
  password!: string;
}

/** Browser sessions for single-page apps and for scripts with a cookie jar. The pages have their own forms. */
@ApiTags('Session')
@Controller('session')
@AllowAnonymous()
export class SessionsController {
  constructor(private readonly sessions: SessionsService) {}

  @Post()
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign in', description: 'Sets an HttpOnly cookie.' })
  @ApiNoContentResponse({ description: 'Signed in.' })
  @RefusalResponse(400, 'The email or the password is missing or too long.')
  @RefusalResponse(401, 'Wrong email or password.')
  async signIn(
    @Body() credentials: SignInDto,
    @CurrentSession() session: SessionHolder,
    @CurrentCaller() caller: Caller,
  ): Promise<void> {
    const signedIn = await this.sessions.signIn(session, credentials, caller);
    if (!signedIn) throw new UnauthorizedException('Wrong email or password.');
  }

  @Delete()
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign out', description: 'Succeeds without a session as well.' })
  @ApiNoContentResponse({ description: 'Signed out.' })
  async signOut(
    @CurrentSession() session: SessionHolder,
    @CurrentCaller() caller: Caller,
    @Res({ passthrough: true }) reply: HttpReply,
  ): Promise<void> {
    await this.sessions.signOut(session, caller);
    forgetSessionCookie(reply);
  }
}
