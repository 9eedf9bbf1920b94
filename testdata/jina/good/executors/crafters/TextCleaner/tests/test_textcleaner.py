from .. import TextCleaner


def test_white_space_and_case():
    assert TextCleaner().craft(['  Jina\tis \n here ', 'x']) == [{'text': 'jina is here'}, {'text': 'x'}]


def test_keeps_case():
    assert TextCleaner(lower=False).craft(['A  b']) == [{'text': 'A b'}]
