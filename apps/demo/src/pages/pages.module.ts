import { Module } from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { ApiDocument } from '../docs/api-document.js';
import { OperationsModule } from '../operations/operations.module.js';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { SessionsModule } from '../sessions/sessions.module.js';
import { AssetFiles } from './asset-files.js';
import { AssetsController } from './assets.controller.js';
import { AuditController } from './audit.controller.js';
import { BrowserErrorFilter } from './browser-error.filter.js';
import { DocsController } from './docs.controller.js';
import { FamilySettingsController } from './family-settings.controller.js';
import { LoginController } from './login.controller.js';
import { MetricsPageController } from './metrics.controller.js';
import { OrganizationController } from './organization.controller.js';
import { OwnEventsService } from './own-events.service.js';
import { PageExceptionFilter } from './page-exception.filter.js';
import { PageRenderer } from './page-renderer.js';
import { TokenLabelsService } from './token-labels.service.js';
import { TokenRequestsService } from './token-requests.service.js';
import { TokenSettingsController } from './token-settings.controller.js';
import { WelcomeController } from './welcome.controller.js';

@Module({
  imports: [OperationsModule, OrganizationsModule, SessionsModule],
  controllers: [
    AssetsController,
    WelcomeController,
    LoginController,
    TokenSettingsController,
    FamilySettingsController,
    AuditController,
    OrganizationController,
    MetricsPageController,
    DocsController,
  ],
  providers: [
    ApiDocument,
    AssetFiles,
    PageRenderer,
    PageExceptionFilter,
    OwnEventsService,
    TokenLabelsService,
    TokenRequestsService,
    { provide: APP_FILTER, useClass: BrowserErrorFilter },
  ],
})
export class PagesModule {}
