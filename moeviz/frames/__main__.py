"""`python -m moeviz.frames` writes what is made of the fields."""

from moeviz.frames.documents import documents

for path, text in documents().items():
    path.write_text(text, encoding="utf-8")
    print(path)
