METRES = {'m': 1.0, 'km': 1000.0, 'cm': 0.01, 'in': 0.0254, 'ft': 0.3048, 'mi': 1609.344}


def metres(length: float, unit: str) -> float:
    """Convert a length to metres.

    :param length: the length
    :param unit: its unit, a key of METRES
    :return: the length in metres
    """
    return length * METRES[unit]
