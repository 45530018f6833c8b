import { Controller, Get, NotFoundException, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { AllowAnonymous } from 'nestjs-sigra';
import type { HttpReply } from '../http-reply.js';
import { AssetFiles } from './asset-files.js';

@ApiExcludeController()
@Controller('assets')
@AllowAnonymous()
export class AssetsController {
  constructor(private readonly assets: AssetFiles) {}

  @Get(':name')
  serve(@Param('name') name: string, @Res({ passthrough: true }) reply: HttpReply): string {
    const file = this.assets.find(name);
    if (!file) throw new NotFoundException();
    reply.header('Content-Type', file.contentType).header('Cache-Control', 'public, max-age=31536000, immutable');
    return file.content;
  }
}
