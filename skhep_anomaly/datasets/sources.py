"""Where each data set comes from: citation, doi, licence, address."""

from __future__ import annotations

HIGGSML = {
    "citation": (
        "ATLAS collaboration (2014). Dataset from the ATLAS Higgs Boson Machine Learning "
        "Challenge 2014. CERN Open Data Portal."
    ),
    "doi": "10.7483/OPENDATA.ATLAS.ZBP2.M5T8",
    "licence": "CC0 1.0",
    "url": "https://opendata.cern.ch/record/328",
}

HIGGS = {
    "citation": (
        "P. Baldi, P. Sadowski, D. Whiteson (2014). Searching for exotic particles in "
        "high-energy physics with deep learning. Nature Communications 5, 4308, "
        "arXiv:1402.4735. UCI Machine Learning Repository, HIGGS."
    ),
    "doi": "10.24432/C5V312",
    "licence": "CC BY 4.0",
    "url": "https://archive.ics.uci.edu/dataset/280/higgs",
}

SUSY = {
    "citation": (
        "P. Baldi, P. Sadowski, D. Whiteson (2014). Searching for exotic particles in "
        "high-energy physics with deep learning. Nature Communications 5, 4308, "
        "arXiv:1402.4735. UCI Machine Learning Repository, SUSY."
    ),
    "doi": "10.24432/C54606",
    "licence": "CC BY 4.0",
    "url": "https://archive.ics.uci.edu/dataset/279/susy",
}

LHCO = {
    "citation": (
        "G. Kasieczka, B. Nachman, D. Shih (2019). R&D dataset for the LHC Olympics 2020 "
        "anomaly detection challenge. Zenodo."
    ),
    "doi": "10.5281/zenodo.4536377",
    "licence": "CC BY 4.0",
    "url": "https://zenodo.org/records/4536377",
}

TOY = {
    "citation": "skhep_anomaly, made on the spot",
    "doi": "none",
    "licence": "BSD-3-Clause",
    "url": "none",
}

GEANT4_SHOWERS = {
    "citation": (
        "skhep_anomaly, simulated with Geant4 11.4 (S. Agostinelli et al. (2003). Nuclear "
        "Instruments and Methods A 506, 250) in the set-up of V. Chekalina et al., "
        "arXiv:1812.01319."
    ),
    "doi": "10.1016/S0168-9002(03)01368-8",
    "licence": "BSD-3-Clause (the showers; Geant4 itself: Geant4 Software License)",
    "url": "https://geant4.web.cern.ch",
}

CALOCHALLENGE = {
    "citation": (
        "M. Faucci Giannelli, G. Kasieczka, C. Krause, B. Nachman, D. Salamani, D. Shih, "
        "A. Zaborowska (2022). Fast Calorimeter Simulation Challenge 2022, datasets 1, 2 and 3. "
        "Zenodo. Results: C. Krause et al., arXiv:2410.21611."
    ),
    "doi": "10.5281/zenodo.6234054, 10.5281/zenodo.6366270, 10.5281/zenodo.6366323",
    "licence": "CC BY 4.0",
    "url": "https://calochallenge.github.io/homepage/",
}

USER_FILE = {
    "citation": "a file of the user; cite its authors",
    "doi": "unknown",
    "licence": "unknown",
    "url": "unknown",
}
