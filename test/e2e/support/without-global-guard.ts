import type { TestingModuleBuilder } from '@nestjs/testing';
import { SigraAuthGuard } from 'nestjs-sigra';

/** Takes the application's global guard away, so that what a controller's own guards do is seen alone. */
export function withoutGlobalGuard(builder: TestingModuleBuilder): void {
  builder.overrideProvider(SigraAuthGuard).useValue({ canActivate: () => true });
}
