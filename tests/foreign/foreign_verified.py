VERIFIED: dict[tuple[str, str], str] = {}
