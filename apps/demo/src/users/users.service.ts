import { Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { Repository } from 'typeorm';
import { verifyPassword } from './password.js';
import { User } from './user.entity.js';

@Injectable()
export class UsersService {
  constructor(@InjectRepository(User) private readonly users: Repository<User>) {}

  /** Returns the user with this email and password, or undefined. */
  async authenticate(email: string, password: string): Promise<User | undefined> {
    const user = await this.findWithHash(email.trim().toLowerCase());
    return (await verifyPassword(password, user?.passwordHash)) ? (user ?? undefined) : undefined;
  }

  private async findWithHash(email: string): Promise<User | null> {
    // PostgreSQL rejects a parameter that contains NUL.
    if (email.includes('\0')) return null;
    return this.users.findOne({ where: { email }, select: { id: true, email: true, passwordHash: true } });
  }
}
