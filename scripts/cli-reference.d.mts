import type { Command } from 'commander';

export function examplesOf(command: Command): string[];
export function commandsOf(program: Command): Command[];
export function markdownReference(program: Command): string;
export function manualPage(program: Command): string;
