"""A group one of whose commands need not be named: `ca-cli backup FILE` is `ca-cli backup authority FILE`."""

import click


class DefaultGroup(click.Group):
    """Takes what names none of its commands for the arguments of `default`."""

    default = "authority"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in {*self.commands, *ctx.help_option_names}:
            args = [self.default, *args]
        return super().parse_args(ctx, args)
