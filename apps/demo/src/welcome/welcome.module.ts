import { Module } from '@nestjs/common';
import { StartTokensService } from './start-tokens.service.js';

@Module({ providers: [StartTokensService] })
export class WelcomeModule {}
