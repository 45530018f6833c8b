import { a } from "nestjs-sigra"; import { Injectable } from "@nestjs/common"; @Injectable() export class X {} console.log(a, X);
