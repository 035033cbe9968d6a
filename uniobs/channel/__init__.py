"""Channels: how bytes of a guest reach us where its memory can't be read from outside."""
