import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AssetFiles } from './asset-files.js';
import { AssetsController } from './assets.controller.js';
import { AuditController } from './audit.controller.js';
import { BrowserErrorFilter } from './browser-error.filter.js';
import { DocsController } from './docs.controller.js';
import { FamilySettingsController } from './family-settings.controller.js';
import { LoginController } from './login.controller.js';
import { OwnEventsService } from './own-events.service.js';
import { OwnTokensService } from './own-tokens.service.js';
import { PageExceptionFilter } from './page-exception.filter.js';
import { PageRenderer } from './page-renderer.js';
import { SentFormsService } from './sent-forms.service.js';
import { TokenSettingsController } from './token-settings.controller.js';

@Module({
  imports: [SessionsModule],
  controllers: [
    AssetsController,
    LoginController,
    TokenSettingsController,
    FamilySettingsController,
    AuditController,
    DocsController,
  ],
  providers: [
    AssetFiles,
    PageRenderer,
    PageExceptionFilter,
    SentFormsService,
    OwnTokensService,
    OwnEventsService,
    { provide: APP_FILTER, useClass: BrowserErrorFilter },
  ],
})
export class PagesModule {}
