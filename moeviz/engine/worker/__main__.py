"""`python -m moeviz.engine.worker`"""

from moeviz.engine.worker.serve import main

main()
